-- P: the functions of postgresql-topn over jsonb, and rollups of top lists.
CREATE EXTENSION IF NOT EXISTS topn;
SELECT topn_add(NULL, NULL), topn_add(NULL, 'x'), topn_add('{"x": 1}', NULL), topn_add('{"x": 1}', 'x'), topn_add('{}', '''""\');
SELECT topn_union('{"AS": 1}', '{"AS": 2, "SA": 4}'), topn_union(NULL, '{"a": 1}'), '{"a": 1}'::jsonb + '{"b": 2, "a": 3}'::jsonb AS plus, topn_union('{"a": 1.9, "b": "x", "c": null}', '{}');
SELECT * FROM topn('{"a": 3, "b": 5, "c": 5}', 2);
SELECT (topn('{"a": 3, "b": 5}'::jsonb, 5)).*;
SELECT (topn('{"a": 3, "b": 5}', 1)).item AS x;
SELECT * FROM topn(NULL, 2);
SELECT topn('{}', 5000);
SELECT * FROM topn('{"a": 1}', 5000);
SELECT topn_add_agg(NULL::text), topn_union_agg(NULL::jsonb);
SELECT topn_union('[1]', '{}');
SET topn.number_of_counters TO 3;
SELECT topn_add_agg(x) FROM (VALUES ('a'), ('a'), ('b'), ('c'), ('b'), ('a'), ('d')) v(x);
SELECT * FROM topn('{"a": 1}', 4);
RESET topn.number_of_counters;
CREATE TABLE inputs (j jsonb, t text);
INSERT INTO inputs SELECT (ARRAY[NULL, '{"AS": 1, "SA": 1}', '{"AS": 1, "SA": 1}']::jsonb[])[i % 3 + 1], (ARRAY['AS', NULL, 'TEST'])[i % 3 + 1] FROM generate_series(0, 29) i;
SELECT topn_union_agg(topn_add(j, t)) FROM inputs;
-- Reviews: a top list a day, a reference table of them all, unions of days.
CREATE TABLE reviews (customer text, day date, rating int, product text, category text);
SELECT create_distributed_table('reviews', 'product');
\copy (SELECT 'c' || i % 17 AS customer, date '2024-09-01' + i % 10 AS day, i % 5 + 1 AS rating, 'p' || i * i % 23 AS product, 'k' || i % 3 AS category FROM generate_series(1, 600) i) TO 'reviews.csv' WITH CSV
\copy reviews FROM 'reviews.csv' WITH CSV
CREATE TABLE top_reviews (day date PRIMARY KEY, agg_data jsonb);
SELECT create_reference_table('top_reviews');
INSERT INTO top_reviews SELECT day, topn_add_agg(product) FROM reviews GROUP BY day;
SELECT day, (topn(agg_data, 2)).* FROM top_reviews WHERE day IN ('2024-09-01', '2024-09-02') ORDER BY 1, 3 DESC, 2;
SELECT (topn(topn_union_agg(agg_data), 5)).* FROM top_reviews WHERE day BETWEEN '2024-09-01' AND '2024-09-07' ORDER BY 2 DESC, 1;
SELECT product, count(*) FROM reviews WHERE day BETWEEN '2024-09-01' AND '2024-09-07' GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 5;
SELECT date_trunc('week', day)::date AS week, (topn(topn_union_agg(agg_data), 1)).item AS best, count(*) FROM top_reviews GROUP BY 1 ORDER BY 1;
INSERT INTO top_reviews VALUES ('2024-09-01', '{"p9": 1000}') ON CONFLICT (day) DO UPDATE SET agg_data = topn_union(top_reviews.agg_data, excluded.agg_data);
SELECT * FROM topn((SELECT topn_union_agg(agg_data) FROM top_reviews), 2);
SELECT day, agg_data->>'p9' AS p9 FROM top_reviews WHERE agg_data ? 'p9' ORDER BY day LIMIT 3;
CREATE TABLE top_categories (category text PRIMARY KEY, products jsonb);
INSERT INTO top_categories SELECT category, topn_add_agg(product) FROM reviews GROUP BY 1;
UPDATE top_categories SET products = topn_add(products, 'new') WHERE category = 'k1';
SELECT category, (topn(products, 1)).frequency, products->'new' AS new FROM top_categories ORDER BY 1;
DROP TABLE inputs, reviews, top_reviews, top_categories;
