SELECT campaign_id AS parent, impressions, clicks, click_through_rate AS "clickThroughRate", likes, shares, comments
FROM bench.metrics WHERE campaign_id = ANY ($1::bigint[])
