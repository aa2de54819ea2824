# demo-single-1 (demo, 1k). Written by refarch: change the environment file instead.

# What runs here
roles(['application_role'])
postgresql['enable'] = true
postgres_exporter['enable'] = true
redis['enable'] = true
redis_exporter['enable'] = true
prometheus['enable'] = true
alertmanager['enable'] = true

# Where users go
external_url 'https://git.example.com'
letsencrypt['enable'] = false
gitlab_rails['time_zone'] = 'UTC'

# First login: root; only the first migration reads it
gitlab_rails['initial_root_password'] = 'placeholder-root_password'
gitlab_rails['gitlab_shell_ssh_port'] = 2222

# The balancer ends TLS and says who the user is
gitlab_rails['nginx']['listen_port'] = 8880
gitlab_rails['nginx']['listen_https'] = false
gitlab_rails['nginx']['real_ip_header'] = 'X-Forwarded-For'
gitlab_rails['nginx']['real_ip_recursive'] = 'on'
gitlab_rails['nginx']['real_ip_trusted_addresses'] = ['198.18.0.1']

# Prometheus
prometheus['flags'] = {
  'storage.tsdb.retention.time' => '30d'
}
