SELECT parent.id AS parent, page.* FROM unnest($1::bigint[]) AS parent (id) CROSS JOIN LATERAL (
  SELECT id, body, occurred_at AS "occurredAt"
  FROM bench.comments WHERE parent_id = parent.id ORDER BY occurred_at, id LIMIT $2
) AS page
