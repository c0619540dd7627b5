SELECT json_build_object('data', json_build_object('campaigns', json_build_object('nodes', json_agg(node))))::text
FROM (
  SELECT encode(convert_to('Campaign:' || campaign.id, 'UTF8'), 'base64') AS id, key, name, status,
    starts_on AS "startsOn", ends_on AS "endsOn", currency, created_at AS "createdAt",
    (
      SELECT to_json(numbers) FROM (
        SELECT impressions, clicks, click_through_rate AS "clickThroughRate", likes, shares, comments
        FROM bench.metrics WHERE campaign_id = campaign.id
      ) AS numbers
    ) AS metrics,
    (
      SELECT json_build_object('nodes', coalesce(json_agg(node), '[]')) FROM (
        SELECT encode(convert_to('Impression:' || id, 'UTF8'), 'base64') AS id, occurred_at AS "occurredAt",
          device_type AS "deviceType", clicked, converted
        FROM bench.impressions AS impression
        WHERE campaign_id = campaign.id ORDER BY occurred_at DESC, impression.id DESC LIMIT 50
      ) AS node
    ) AS impressions,
    (
      SELECT json_build_object('nodes', coalesce(json_agg(node), '[]')) FROM (
        SELECT encode(convert_to('Comment:' || id, 'UTF8'), 'base64') AS id, body, occurred_at AS "occurredAt",
          (
            SELECT json_build_object('nodes', coalesce(json_agg(node), '[]')) FROM (
              SELECT encode(convert_to('Comment:' || id, 'UTF8'), 'base64') AS id, body, occurred_at AS "occurredAt"
              FROM bench.comments AS reply
              WHERE parent_id = comment.id ORDER BY occurred_at, reply.id LIMIT 3
            ) AS node
          ) AS replies
        FROM bench.comments AS comment
        WHERE campaign_id = campaign.id AND parent_id IS NULL ORDER BY occurred_at DESC, comment.id DESC LIMIT 10
      ) AS node
    ) AS comments
  FROM bench.campaigns AS campaign ORDER BY created_at DESC, campaign.id DESC LIMIT 20
) AS node
