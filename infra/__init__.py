"""What the services run on: the embedded stack, migrations, and deployment files."""
