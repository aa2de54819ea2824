# demo-postgres-1 (demo, 2k). Written by refarch: change the environment file instead.

# What runs here
roles(['postgres_role'])

# The schema is made once, by the first application node
gitlab_rails['auto_migrate'] = false

# PostgreSQL
postgresql['listen_address'] = '0.0.0.0'
postgresql['sql_user_password'] = '506beafa26623aa9ad3739455cafcfb1'
# Who may come, always with a password
postgresql['md5_auth_cidr_addresses'] = %w(127.0.0.1/32 198.18.0.2/32 198.18.0.6/32 198.18.0.7/32 198.18.0.5/32)

# Nobody comes over the network without encryption
postgresql['hostssl'] = true
postgresql['ssl_cert_file'] = '/etc/gitlab/ssl/internal.crt'
postgresql['ssl_key_file'] = '/etc/gitlab/ssl/gitlab-psql.key'
postgresql['ssl_ca_file'] = '/etc/gitlab/trusted-certs/refarch.crt'

# Figures for Prometheus
postgres_exporter['listen_address'] = '0.0.0.0:9187'

# Figures of the machine, for Prometheus
node_exporter['listen_address'] = '0.0.0.0:9100'
