"""What we do: take deliveries in, make the two sides agree, reconcile them completely, explain."""
