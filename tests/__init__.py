"""The tests mirror promptops/; journey, migrations, house and vectors stand beside them."""
