"""The destination: Campaign Monitor's calls (client), what its codes mean (errors), and its credentials (oauth)."""
