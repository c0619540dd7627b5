UPDATE bench.campaigns SET name = $2 WHERE id = $1 RETURNING id, name, status, currency
