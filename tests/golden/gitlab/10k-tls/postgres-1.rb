# demo-postgres-1 (demo, 10k). Written by refarch: change the environment file instead.

# What runs here
roles(['patroni_role', 'pgbouncer_role'])

# The schema is made once, by the first application node
gitlab_rails['auto_migrate'] = false

# Consul: an agent
consul['configuration'] = {
  bind_addr: '198.18.0.6',
  retry_join: %w(198.18.0.3 198.18.0.4 198.18.0.5)
}
consul['encryption_key'] = 'cGxhY2Vob2xkZXItY29uc3VsX2dvc3NpcC4uLi4uLi4='
consul['use_tls'] = true
consul['tls_ca_file'] = '/etc/gitlab/trusted-certs/refarch.crt'
consul['tls_certificate_file'] = '/etc/gitlab/ssl/internal.crt'
consul['tls_key_file'] = '/etc/gitlab/ssl/gitlab-consul.key'
consul['monitoring_service_discovery'] = true

# PostgreSQL
postgresql['listen_address'] = '0.0.0.0'
postgresql['sql_user_password'] = '506beafa26623aa9ad3739455cafcfb1'
postgresql['pgbouncer_user_password'] = '970966822f270e83881c6f759595edb5'
postgresql['sql_replication_password'] = 'd121de14c6e6ffe240fc712aab09ee8f'
# Who may come, always with a password
postgresql['md5_auth_cidr_addresses'] = %w(127.0.0.1/32 198.18.0.6/32 198.18.0.7/32 198.18.0.8/32 198.18.0.9/32 198.18.0.10/32 198.18.0.11/32 198.18.0.29/32 198.18.0.30/32 198.18.0.31/32)

# Nobody comes over the network without encryption
postgresql['hostssl'] = true
postgresql['ssl_cert_file'] = '/etc/gitlab/ssl/internal.crt'
postgresql['ssl_key_file'] = '/etc/gitlab/ssl/gitlab-psql.key'
postgresql['ssl_ca_file'] = '/etc/gitlab/trusted-certs/refarch.crt'

# Patroni: one leader, found through Consul
patroni['username'] = 'patroni'
patroni['password'] = 'placeholder-patroni_rest'
patroni['tls_certificate_file'] = '/etc/gitlab/ssl/internal.crt'
patroni['tls_key_file'] = '/etc/gitlab/ssl/gitlab-psql.key'
patroni['tls_ca_file'] = '/etc/gitlab/trusted-certs/refarch.crt'
patroni['replication_password'] = 'placeholder-postgres_replication'
patroni['postgresql']['max_replication_slots'] = 6
patroni['postgresql']['max_wal_senders'] = 7
consul['services'] = %w(postgresql)

# Figures for Prometheus
postgres_exporter['listen_address'] = '0.0.0.0:9187'

# PgBouncer on the database's own node: reads are spread over all servers
pgbouncer['databases'] = {
  gitlabhq_production: {
    host: '127.0.0.1',
    user: 'pgbouncer',
    password: '970966822f270e83881c6f759595edb5'
  }
}
pgbouncer['client_tls_sslmode'] = 'require'
pgbouncer['client_tls_cert_file'] = '/etc/gitlab/ssl/internal.crt'
pgbouncer['client_tls_key_file'] = '/etc/gitlab/ssl/gitlab-psql.key'
pgbouncer['server_tls_sslmode'] = 'verify-ca'
pgbouncer['server_tls_ca_file'] = '/etc/gitlab/trusted-certs/refarch.crt'

# Figures of the machine, for Prometheus
node_exporter['listen_address'] = '0.0.0.0:9100'
