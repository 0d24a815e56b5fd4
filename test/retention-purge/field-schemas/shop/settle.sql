update refunds set state = 'done';
select nightshift.alter_retention_policy('public.products', keep => array['public.order_lines']);
select nightshift.alter_retention_policy('public.categories', keep => array['public.categories(parent_id)']);
select nightshift.alter_retention_policy('public.customers', keep => array['public.orders(customer_id)']);
