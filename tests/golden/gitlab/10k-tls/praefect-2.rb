# demo-praefect-2 (demo, 10k). Written by refarch: change the environment file instead.

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
  bind_addr: '198.18.0.19',
  retry_join: %w(198.18.0.3 198.18.0.4 198.18.0.5)
}
consul['encryption_key'] = 'cGxhY2Vob2xkZXItY29uc3VsX2dvc3NpcC4uLi4uLi4='
consul['use_tls'] = true
consul['tls_ca_file'] = '/etc/gitlab/trusted-certs/refarch.crt'
consul['tls_certificate_file'] = '/etc/gitlab/ssl/internal.crt'
consul['tls_key_file'] = '/etc/gitlab/ssl/gitlab-consul.key'
consul['monitoring_service_discovery'] = true

# Praefect: sends git traffic to a healthy Gitaly node
praefect['enable'] = true
praefect['auto_migrate'] = false
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
    host: '198.18.0.21',
    port: 5432,
    user: 'praefect',
    password: 'placeholder-postgres_praefect',
    dbname: 'praefect_production',
    sslmode: 'verify-full',
    sslrootcert: '/etc/gitlab/trusted-certs/refarch.crt'
  },
  virtual_storage: [
    {
      name: 'default',
      default_replication_factor: 3,
      node: [
        {
          storage: 'gitaly-1',
          address: 'tls://198.18.0.22:9999',
          token: 'placeholder-praefect_internal_token'
        },
        {
          storage: 'gitaly-2',
          address: 'tls://198.18.0.23:9999',
          token: 'placeholder-praefect_internal_token'
        },
        {
          storage: 'gitaly-3',
          address: 'tls://198.18.0.24:9999',
          token: 'placeholder-praefect_internal_token'
        }
      ]
    }
  ]
}

# Figures of the machine, for Prometheus
node_exporter['listen_address'] = '0.0.0.0:9100'
