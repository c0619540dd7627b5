SELECT id, key, name, status, starts_on AS "startsOn", ends_on AS "endsOn", currency, created_at AS "createdAt"
FROM bench.campaigns ORDER BY created_at DESC, id DESC LIMIT $1
