SELECT parent.id AS parent, page.* FROM unnest($1::bigint[]) AS parent (id) CROSS JOIN LATERAL (
  SELECT id, occurred_at AS "occurredAt", device_type AS "deviceType", clicked, converted
  FROM bench.impressions WHERE campaign_id = parent.id ORDER BY occurred_at DESC, id DESC LIMIT $2
) AS page
