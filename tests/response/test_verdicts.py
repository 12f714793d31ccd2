from antiphon.response.lift import of_means, of_rates
from antiphon.response.means import Moments
from antiphon.response.verdicts import Finding, per_thousand, verdict

# Hillstrom's e-mail experiment (2008): conversions of the men's e-mail and of those without one.
MENS, NO_EMAIL = Moments.of_counts(267, 21_307), Moments.of_counts(122, 21_306)


def test_an_effect_is_told_with_its_interval() -> None:
    told = verdict(of_rates(MENS, NO_EMAIL))
    assert str(told) == "+0.68 points, between +0.50 and +0.86"
    assert told.finding is Finding.EFFECT


def test_a_harm_is_told_with_its_interval() -> None:
    assert str(verdict(of_rates(NO_EMAIL, MENS))) == "−0.68 points, between −0.86 and −0.50"


def test_without_an_effect_it_is_told_which_ones_are_excluded() -> None:
    few = of_rates(Moments.of_counts(52, 1_500), Moments.of_counts(49, 1_500))
    assert str(verdict(few)) == "no effect shown; an effect above 1.5 points is excluded"
    less = of_rates(Moments.of_counts(49, 1_500), Moments.of_counts(52, 1_500))
    assert str(verdict(less)) == (
        "no effect shown; an effect above 1.1 points is excluded, a loss above 1.5 too"
    )


def test_a_handful_of_people_excludes_nothing() -> None:
    few = verdict(of_rates(Moments.of_counts(3, 16), Moments.of_counts(1, 2)))
    assert few.finding is Finding.NO_EFFECT
    assert str(few) == "no effect shown, and none excluded: too few to tell"


def test_while_a_campaign_runs_it_is_too_early_until_every_look_may_be_believed() -> None:
    hopeful = of_rates(Moments.of_counts(40, 1_000), Moments.of_counts(24, 1_000))
    assert hopeful is not None
    assert hopeful.low > 0 > hopeful.always_low
    assert str(verdict(hopeful, day=3, days=14)) == "too early: 3 of 14 days"
    assert verdict(hopeful, day=14, days=14).finding is Finding.EFFECT
    sure = verdict(of_rates(MENS, NO_EMAIL), day=3, days=14)
    assert sure.finding is Finding.EFFECT
    assert str(sure) == "+0.68 points, between +0.36 and +1.01"


def test_groups_out_of_proportion_are_told_instead_of_an_effect() -> None:
    told = verdict(of_rates(MENS, NO_EMAIL), ratio_chance=1e-5)
    assert told.finding is Finding.OUT_OF_PROPORTION
    assert str(told).endswith("once in 100,000 times")


def test_nothing_is_made_of_an_empty_group_or_a_single_unit() -> None:
    assert verdict(None).finding is Finding.NO_COMPARISON
    alone = of_means(Moments.of_counts(1, 1), Moments.of_counts(1, 50))
    assert verdict(alone).finding is Finding.NO_COMPARISON


def test_money_is_told_for_a_thousand_contacts() -> None:
    treated = Moments(2_000, 2_000, 3_000, 2_000, 3_000, 104_500)
    control = Moments(4_000, 4_000, 0, 4_000, 0, 40_000)
    told = verdict(of_means(treated, control), unit=per_thousand("EUR"))
    assert str(told) == "+1,500 EUR per 1,000, between +1,175 and +1,825"
