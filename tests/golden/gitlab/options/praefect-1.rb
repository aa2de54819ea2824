# demo-praefect-1 (demo, 3k). Written by refarch: change the environment file instead.

# What runs here
gitaly['enable'] = false
postgresql['enable'] = false
redis['enable'] = false
nginx['enable'] = false
puma['enable'] = false
sidekiq['enable'] = false
gitlab_workhorse['enable'] = false
prometheus['enable'] = false
alertmanager['enable'] = false
gitlab_exporter['enable'] = false
gitlab_kas['enable'] = false

# The schema is made once, by the first application node
gitlab_rails['auto_migrate'] = false

# Consul: an agent
consul['enable'] = true
consul['configuration'] = {
  bind_addr: '198.18.0.5',
  retry_join: %w(198.18.0.2 198.18.0.3 198.18.0.4)
}
consul['encryption_key'] = 'cGxhY2Vob2xkZXItY29uc3VsX2dvc3NpcC4uLi4uLi4='
consul['monitoring_service_discovery'] = true

# Praefect: sends git traffic to a healthy Gitaly node
praefect['enable'] = true
praefect['auto_migrate'] = true
praefect['configuration'] = {
  tls_listen_addr: '0.0.0.0:3305',
  tls: {
    certificate_path: '/etc/gitlab/ssl/internal.crt',
    key_path: '/etc/gitlab/ssl/git.key'
  },
  prometheus_listen_addr: '0.0.0.0:9652',
  auth: {
    token: 'placeholder-praefect_external_token'
  },
  database: {
    host: 'praefect-db.example.com',
    port: 5432,
    user: 'praefect',
    password: 'placeholder-password',
    dbname: 'praefect_production'
  },
  virtual_storage: [
    {
      name: 'default',
      default_replication_factor: 3,
      node: [
        {
          storage: 'gitaly-1',
          address: 'tls://198.18.0.8:9999',
          token: 'placeholder-praefect_internal_token'
        },
        {
          storage: 'gitaly-2',
          address: 'tls://198.18.0.9:9999',
          token: 'placeholder-praefect_internal_token'
        },
        {
          storage: 'gitaly-3',
          address: 'tls://198.18.0.10:9999',
          token: 'placeholder-praefect_internal_token'
        }
      ]
    }
  ]
}

# Figures of the machine, for Prometheus
node_exporter['listen_address'] = '0.0.0.0:9100'

# From the environment file, for all
logging['svlogd_num'] = 5
