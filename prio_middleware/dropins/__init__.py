"""What the drop-ins for the web frameworks share."""
