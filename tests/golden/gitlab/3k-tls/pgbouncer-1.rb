# demo-pgbouncer-1 (demo, 3k). Written by refarch: change the environment file instead.

# What runs here
roles(['pgbouncer_role'])

# The schema is made once, by the first application node
gitlab_rails['auto_migrate'] = false

# Consul: an agent
consul['configuration'] = {
  bind_addr: '198.18.0.9',
  retry_join: %w(198.18.0.3 198.18.0.4 198.18.0.5)
}
consul['encryption_key'] = 'cGxhY2Vob2xkZXItY29uc3VsX2dvc3NpcC4uLi4uLi4='
consul['use_tls'] = true
consul['tls_ca_file'] = '/etc/gitlab/trusted-certs/refarch.crt'
consul['tls_certificate_file'] = '/etc/gitlab/ssl/internal.crt'
consul['tls_key_file'] = '/etc/gitlab/ssl/gitlab-consul.key'
consul['monitoring_service_discovery'] = true

# PgBouncer: Consul's watcher points it at the leader
pgbouncer['admin_users'] = %w(pgbouncer gitlab-consul)
pgbouncer['users'] = {
  'gitlab-consul' => { password: '991daff913a231e8b12bcc1cba376f38' },
  'pgbouncer' => { password: '970966822f270e83881c6f759595edb5' }
}
consul['watchers'] = %w(postgresql)

# Encrypted on both sides
pgbouncer['client_tls_sslmode'] = 'require'
pgbouncer['client_tls_cert_file'] = '/etc/gitlab/ssl/internal.crt'
pgbouncer['client_tls_key_file'] = '/etc/gitlab/ssl/gitlab-psql.key'
pgbouncer['server_tls_sslmode'] = 'verify-ca'
pgbouncer['server_tls_ca_file'] = '/etc/gitlab/trusted-certs/refarch.crt'

# Figures for Prometheus
pgbouncer_exporter['listen_address'] = '0.0.0.0:9188'

# Figures of the machine, for Prometheus
node_exporter['listen_address'] = '0.0.0.0:9100'
