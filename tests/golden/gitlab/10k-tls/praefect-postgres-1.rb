# demo-praefect-postgres-1 (demo, 10k). Written by refarch: change the environment file instead.

# What runs here
roles(['postgres_role'])

# The schema is made once, by the first application node
gitlab_rails['auto_migrate'] = false

# Consul: an agent
consul['enable'] = true
consul['configuration'] = {
  bind_addr: '198.18.0.21',
  retry_join: %w(198.18.0.3 198.18.0.4 198.18.0.5)
}
consul['encryption_key'] = 'cGxhY2Vob2xkZXItY29uc3VsX2dvc3NpcC4uLi4uLi4='
consul['use_tls'] = true
consul['tls_ca_file'] = '/etc/gitlab/trusted-certs/refarch.crt'
consul['tls_certificate_file'] = '/etc/gitlab/ssl/internal.crt'
consul['tls_key_file'] = '/etc/gitlab/ssl/gitlab-consul.key'
consul['monitoring_service_discovery'] = true

# PostgreSQL for Praefect alone
postgresql['listen_address'] = '0.0.0.0'
postgresql['md5_auth_cidr_addresses'] = %w(127.0.0.1/32 198.18.0.18/32 198.18.0.19/32 198.18.0.20/32)

# Nobody comes over the network without encryption
postgresql['hostssl'] = true
postgresql['ssl_cert_file'] = '/etc/gitlab/ssl/internal.crt'
postgresql['ssl_key_file'] = '/etc/gitlab/ssl/gitlab-psql.key'
postgresql['ssl_ca_file'] = '/etc/gitlab/trusted-certs/refarch.crt'

# Figures for Prometheus
postgres_exporter['listen_address'] = '0.0.0.0:9187'

# Figures of the machine, for Prometheus
node_exporter['listen_address'] = '0.0.0.0:9100'
