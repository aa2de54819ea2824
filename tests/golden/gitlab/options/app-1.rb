# demo-app-1 (demo, 3k). Written by refarch: change the environment file instead.

# What runs here
roles(['application_role'])
gitaly['enable'] = false
sidekiq['enable'] = false
gitlab_kas['enable'] = false

# The schema is made once, by the first application node
gitlab_rails['auto_migrate'] = false

# Consul: an agent
consul['enable'] = true
consul['configuration'] = {
  bind_addr: '198.18.0.13',
  retry_join: %w(198.18.0.2 198.18.0.3 198.18.0.4)
}
consul['encryption_key'] = 'cGxhY2Vob2xkZXItY29uc3VsX2dvc3NpcC4uLi4uLi4='
consul['monitoring_service_discovery'] = true

# Where users go
external_url 'https://git.example.com'
letsencrypt['enable'] = false
gitlab_rails['time_zone'] = 'Europe/Berlin'

# Database: a server of one's own
gitlab_rails['db_adapter'] = 'postgresql'
gitlab_rails['db_encoding'] = 'unicode'
gitlab_rails['db_host'] = 'db.example.com'
gitlab_rails['db_port'] = 5432
gitlab_rails['db_username'] = 'gitlab'
gitlab_rails['db_password'] = 'placeholder-password'
gitlab_rails['db_database'] = 'gitlabhq_production'
gitlab_rails['db_sslmode'] = 'verify-full'
gitlab_rails['db_load_balancing'] = { 'hosts' => ['db-2.example.com'] }

# Redis: a server of one's own
gitlab_rails['redis_host'] = 'redis.example.com'
gitlab_rails['redis_port'] = 6379
gitlab_rails['redis_password'] = 'placeholder-password'
gitlab_rails['redis_ssl'] = true
# Such servers often know no CLIENT command
gitlab_rails['redis_enable_client'] = false
gitlab_rails['redis_cache_instance'] = 'redis://:placeholder-password@cache.example.com:6379'

# Repositories: through Praefect
gitlab_rails['repositories_storages'] = {
  'default' => {
    'gitaly_address' => 'tls://lb.example.com:3305',
    'gitaly_token' => 'placeholder-praefect_external_token'
  }
}

# Who may read health and figures
gitlab_rails['monitoring_whitelist'] = ['127.0.0.0/8', '198.18.0.16/32', '198.18.0.1/32', '10.0.0.0/8']

# Uploads, artifacts and the like in object storage
gitlab_rails['object_store']['enabled'] = true
gitlab_rails['object_store']['connection'] = {
  'provider' => 'AWS',
  'region' => 'us-east-1',
  'endpoint' => 'https://s3.example.com',
  'path_style' => true,
  'aws_access_key_id' => 'AK',
  'aws_secret_access_key' => 'placeholder-password'
}
gitlab_rails['object_store']['objects']['artifacts']['bucket'] = 'demo-artifacts'
gitlab_rails['object_store']['objects']['external_diffs']['bucket'] = 'demo-mr-diffs'
gitlab_rails['object_store']['objects']['lfs']['bucket'] = 'demo-lfs'
gitlab_rails['object_store']['objects']['uploads']['bucket'] = 'demo-uploads'
gitlab_rails['object_store']['objects']['packages']['bucket'] = 'demo-packages'
gitlab_rails['object_store']['objects']['dependency_proxy']['bucket'] = 'demo-dependency-proxy'
gitlab_rails['object_store']['objects']['terraform_state']['bucket'] = 'demo-terraform-state'
gitlab_rails['object_store']['objects']['pages']['bucket'] = 'demo-pages'
gitlab_rails['ci_secure_files_object_store_enabled'] = true
gitlab_rails['ci_secure_files_object_store_remote_directory'] = 'demo-ci-secure-files'
gitlab_rails['ci_secure_files_object_store_connection'] = gitlab_rails['object_store']['connection']
gitlab_rails['backup_upload_connection'] = gitlab_rails['object_store']['connection']
gitlab_rails['backup_upload_remote_directory'] = 'demo-backups'

# Mail
gitlab_rails['smtp_enable'] = true
gitlab_rails['smtp_address'] = 'mail.example.com'
gitlab_rails['smtp_port'] = 587
gitlab_rails['smtp_user_name'] = 'git'
gitlab_rails['smtp_password'] = 'placeholder-password'
gitlab_rails['smtp_authentication'] = 'login'
gitlab_rails['smtp_enable_starttls_auto'] = true
gitlab_rails['gitlab_email_from'] = 'git@example.com'

# First login: root; only the first migration reads it
gitlab_rails['initial_root_password'] = 'placeholder-root_password'
gitlab_rails['gitlab_shell_ssh_port'] = 2222

# The balancer ends TLS and says who the user is
gitlab_rails['nginx']['listen_port'] = 8880
gitlab_rails['nginx']['listen_https'] = false
gitlab_rails['nginx']['real_ip_header'] = 'X-Forwarded-For'
gitlab_rails['nginx']['real_ip_recursive'] = 'on'
gitlab_rails['nginx']['real_ip_trusted_addresses'] = ['198.18.0.1']

# Figures for Prometheus, which runs elsewhere
prometheus['enable'] = false
alertmanager['enable'] = false
puma['listen'] = '0.0.0.0'
gitlab_workhorse['prometheus_listen_addr'] = '0.0.0.0:9229'
nginx['status']['options'] = {
  'server_tokens' => 'off',
  'access_log' => 'off',
  'allow' => ['198.18.0.16', '127.0.0.1'],
  'deny' => 'all'
}

# Container registry
registry_external_url 'https://git.example.com:5000'
registry['nginx']['listen_port'] = 5050
registry['nginx']['listen_https'] = false
registry['storage'] = {
  's3_v2' => {
    'bucket' => 'demo-registry',
    'region' => 'us-east-1',
    'accesskey' => 'AK',
    'secretkey' => 'placeholder-password',
    'regionendpoint' => 'https://s3.example.com'
  }
}

# Figures of the machine, for Prometheus
node_exporter['listen_address'] = '0.0.0.0:9100'

# From the environment file, for all
logging['svlogd_num'] = 5

# From the environment file, for app
gitlab_rails['gitlab_email_display_name'] = 'Git'

# From the environment file, for demo-app-1
puma['worker_processes'] = 4

# While the schema is made, the database's leader is addressed itself
from_file '/etc/gitlab/leader.rb' if File.exist?('/etc/gitlab/leader.rb')
