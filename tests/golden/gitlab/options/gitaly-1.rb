# demo-gitaly-1 (demo, 3k). Written by refarch: change the environment file instead.

# What runs here
roles(['gitaly_role'])

# The schema is made once, by the first application node
gitlab_rails['auto_migrate'] = false

# Consul: an agent
consul['enable'] = true
consul['configuration'] = {
  bind_addr: '198.18.0.8',
  retry_join: %w(198.18.0.2 198.18.0.3 198.18.0.4)
}
consul['encryption_key'] = 'cGxhY2Vob2xkZXItY29uc3VsX2dvc3NpcC4uLi4uLi4='
consul['monitoring_service_discovery'] = true

# Gitaly: one of the copies behind Praefect
gitaly['configuration'] = {
  tls_listen_addr: '0.0.0.0:9999',
  tls: {
    certificate_path: '/etc/gitlab/ssl/internal.crt',
    key_path: '/etc/gitlab/ssl/git.key'
  },
  prometheus_listen_addr: '0.0.0.0:9236',
  auth: {
    token: 'placeholder-praefect_internal_token'
  },
  pack_objects_cache: {
    enabled: true
  },
  storage: [
    { name: 'gitaly-1', path: '/var/opt/gitlab/git-data/repositories' }
  ]
}

# Where hooks ask whether a push is allowed
gitlab_rails['internal_api_url'] = 'http://lb.example.com'

# Figures of the machine, for Prometheus
node_exporter['listen_address'] = '0.0.0.0:9100'

# From the environment file, for all
logging['svlogd_num'] = 5
