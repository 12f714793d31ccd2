"""The tables of docs/sources.md, written from entities.py."""

from antiphon.entities import ENTITIES, SOURCE_ENTITIES, Entity

BEGIN = "<!-- entities: written by `python -m antiphon.sources.reference`, do not edit -->"
END = "<!-- end of entities -->"


def entities_markdown() -> str:
    """One heading and one table for each entity a source may fill."""
    return "\n".join(_entity(ENTITIES[name]) for name in SOURCE_ENTITIES)


def refreshed(document: str) -> str:
    """The document with its tables as they should be."""
    before, _, rest = document.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{entities_markdown()}\n{END}{after}"


def _entity(entity: Entity) -> str:
    lines = [
        f"### {entity.name}",
        "",
        f"{entity.grain[0].upper()}{entity.grain[1:]}. Key: {', '.join(entity.key)}.",
        "",
        "| column | type | | meaning |",
        "|---|---|---|---|",
    ]
    for column in entity.columns:
        kind = "required" if column.required else "filled in by us" if column.derived else ""
        type_ = column.type.name.lower()
        lines.append(f"| `{column.name}` | {type_} | {kind} | {column.meaning} |")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    from pathlib import Path

    path = Path("docs/sources.md")
    path.write_text(refreshed(path.read_text(encoding="utf-8")), encoding="utf-8")
