SELECT parent.id AS parent, page.* FROM unnest($1::bigint[]) AS parent (id) CROSS JOIN LATERAL (
  SELECT id, body, occurred_at AS "occurredAt"
  FROM bench.comments WHERE campaign_id = parent.id AND parent_id IS NULL ORDER BY occurred_at DESC, id DESC LIMIT $2
) AS page
