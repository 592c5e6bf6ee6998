-- name: verdicts
-- What became of orders that were answered as accepted.
SELECT count(*) AS orders, count(*) FILTER (WHERE state = 'accepted') AS waiting
FROM gateway.orders
