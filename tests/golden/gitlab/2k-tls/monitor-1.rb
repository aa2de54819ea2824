# demo-monitor-1 (demo, 2k). Written by refarch: change the environment file instead.

# What runs here
roles(['monitoring_role'])

# The schema is made once, by the first application node
gitlab_rails['auto_migrate'] = false

# Prometheus
nginx['enable'] = false
prometheus['listen_address'] = '0.0.0.0:9090'
prometheus['monitor_kubernetes'] = false
prometheus['flags'] = {
  'storage.tsdb.retention.time' => '30d'
}

# What it asks
prometheus['scrape_configs'] = [
  {
    'job_name' => 'haproxy',
    'static_configs' => [
      { 'targets' => %w(198.18.0.1:1936) }
    ]
  },
  {
    'job_name' => 'balancer-node',
    'static_configs' => [
      { 'targets' => %w(198.18.0.1:9100) }
    ]
  },
  {
    'job_name' => 'node',
    'static_configs' => [
      { 'targets' => %w(198.18.0.6:9100 198.18.0.7:9100 198.18.0.4:9100 198.18.0.8:9100 198.18.0.2:9100 198.18.0.3:9100 198.18.0.5:9100) }
    ]
  },
  {
    'job_name' => 'postgres',
    'static_configs' => [
      { 'targets' => %w(198.18.0.2:9187) }
    ]
  },
  {
    'job_name' => 'redis',
    'static_configs' => [
      { 'targets' => %w(198.18.0.3:9121) }
    ]
  },
  {
    'job_name' => 'gitaly',
    'static_configs' => [
      { 'targets' => %w(198.18.0.4:9236) }
    ]
  },
  {
    'job_name' => 'gitlab-nginx',
    'static_configs' => [
      { 'targets' => %w(198.18.0.6:8060 198.18.0.7:8060) }
    ]
  },
  {
    'job_name' => 'gitlab-workhorse',
    'static_configs' => [
      { 'targets' => %w(198.18.0.6:9229 198.18.0.7:9229) }
    ]
  },
  {
    'job_name' => 'gitlab-rails',
    'metrics_path' => '/-/metrics',
    'static_configs' => [
      { 'targets' => %w(198.18.0.6:8080 198.18.0.7:8080) }
    ]
  },
  {
    'job_name' => 'gitlab-sidekiq',
    'static_configs' => [
      { 'targets' => %w(198.18.0.5:8082) }
    ]
  }
]

# Figures of the machine, for Prometheus
node_exporter['listen_address'] = '0.0.0.0:9100'
