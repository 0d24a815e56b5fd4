select nightshift.add_retention_policy('public.orders', '90 days', 'deletedAt',
  with_children => array[
    'public.order_lines', 'public.discounts', 'public.shipments', 'public.shipment_lines(order_id, line)', 'public.payments',
    'public.refunds', 'public.gift_notes'
  ],
  release => array['public.reviews', 'public.orders(reorder_of)'],
  keep => array['public.invoices']);
select nightshift.add_retention_policy('public.products', '90 days',
  with_children => array[
    'public.variants', 'public.product_images', 'public.product_categories', 'public.wishes', 'public.cart_lines',
    'public.reviews', '"Warehouse"."StockMovement"'
  ]);
select nightshift.add_retention_policy('public.categories', '90 days', with_children => array['public.product_categories']);
select nightshift.add_retention_policy('public.carts', '14 days', 'expires_at',
  with_children => array['public.cart_lines'], release => array['public.orders']);
select nightshift.add_retention_policy('public.customers', '90 days', 'erased_at', 'is_erased',
  with_children => array['public.addresses', 'public.wishes', 'public.carts', 'public.cart_lines'],
  release => array['public.reviews', 'public.orders(cart_id)', 'public.customers(default_address_id)']);
