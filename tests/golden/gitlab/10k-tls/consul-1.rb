# demo-consul-1 (demo, 10k). Written by refarch: change the environment file instead.

# What runs here
roles(['consul_role'])

# The schema is made once, by the first application node
gitlab_rails['auto_migrate'] = false

# Consul: a server
consul['configuration'] = {
  server: true,
  bind_addr: '198.18.0.3',
  retry_join: %w(198.18.0.3 198.18.0.4 198.18.0.5)
}
consul['encryption_key'] = 'cGxhY2Vob2xkZXItY29uc3VsX2dvc3NpcC4uLi4uLi4='
consul['use_tls'] = true
consul['tls_ca_file'] = '/etc/gitlab/trusted-certs/refarch.crt'
consul['tls_certificate_file'] = '/etc/gitlab/ssl/internal.crt'
consul['tls_key_file'] = '/etc/gitlab/ssl/gitlab-consul.key'
consul['monitoring_service_discovery'] = true

# Figures of the machine, for Prometheus
node_exporter['listen_address'] = '0.0.0.0:9100'
