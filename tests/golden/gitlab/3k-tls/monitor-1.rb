# demo-monitor-1 (demo, 3k). Written by refarch: change the environment file instead.

# What runs here
roles(['monitoring_role'])

# The schema is made once, by the first application node
gitlab_rails['auto_migrate'] = false

# Consul: an agent
consul['enable'] = true
consul['configuration'] = {
  bind_addr: '198.18.0.27',
  retry_join: %w(198.18.0.3 198.18.0.4 198.18.0.5)
}
consul['encryption_key'] = 'cGxhY2Vob2xkZXItY29uc3VsX2dvc3NpcC4uLi4uLi4='
consul['use_tls'] = true
consul['tls_ca_file'] = '/etc/gitlab/trusted-certs/refarch.crt'
consul['tls_certificate_file'] = '/etc/gitlab/ssl/internal.crt'
consul['tls_key_file'] = '/etc/gitlab/ssl/gitlab-consul.key'
consul['monitoring_service_discovery'] = true

# Prometheus
nginx['enable'] = false
prometheus['listen_address'] = '0.0.0.0:9090'
prometheus['monitor_kubernetes'] = false
prometheus['flags'] = {
  'storage.tsdb.retention.time' => '30d'
}

# What Consul does not tell it
prometheus['scrape_configs'] = [
  {
    'job_name' => 'haproxy',
    'static_configs' => [
      { 'targets' => %w(198.18.0.1:1936 198.18.0.2:1936) }
    ]
  },
  {
    'job_name' => 'balancer-node',
    'static_configs' => [
      { 'targets' => %w(198.18.0.1:9100 198.18.0.2:9100) }
    ]
  },
  {
    'job_name' => 'pgbouncer',
    'static_configs' => [
      { 'targets' => %w(198.18.0.9:9188 198.18.0.10:9188 198.18.0.11:9188) }
    ]
  },
  {
    'job_name' => 'praefect',
    'static_configs' => [
      { 'targets' => %w(198.18.0.15:9652 198.18.0.16:9652 198.18.0.17:9652) }
    ]
  }
]

# Figures of the machine, for Prometheus
node_exporter['listen_address'] = '0.0.0.0:9100'
