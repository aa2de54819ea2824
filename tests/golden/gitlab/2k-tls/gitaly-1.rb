# demo-gitaly-1 (demo, 2k). Written by refarch: change the environment file instead.

# What runs here
roles(['gitaly_role'])

# The schema is made once, by the first application node
gitlab_rails['auto_migrate'] = false

# Gitaly: a part of all repositories
gitaly['configuration'] = {
  tls_listen_addr: '0.0.0.0:9999',
  tls: {
    certificate_path: '/etc/gitlab/ssl/internal.crt',
    key_path: '/etc/gitlab/ssl/git.key'
  },
  prometheus_listen_addr: '0.0.0.0:9236',
  auth: {
    token: 'placeholder-gitaly_token'
  },
  pack_objects_cache: {
    enabled: true
  },
  storage: [
    { name: 'default', path: '/var/opt/gitlab/git-data/repositories' }
  ]
}

# Where hooks ask whether a push is allowed
gitlab_rails['internal_api_url'] = 'https://git.example.com'

# Figures of the machine, for Prometheus
node_exporter['listen_address'] = '0.0.0.0:9100'
