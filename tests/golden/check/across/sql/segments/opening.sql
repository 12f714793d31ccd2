-- reads: evnts
SELECT customer_id FROM events
