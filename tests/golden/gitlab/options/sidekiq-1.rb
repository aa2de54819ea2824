# demo-sidekiq-1 (demo, 3k). Written by refarch: change the environment file instead.

# What runs here
roles(['sidekiq_role'])

# The schema is made once, by the first application node
gitlab_rails['auto_migrate'] = false

# Consul: an agent
consul['enable'] = true
consul['configuration'] = {
  bind_addr: '198.18.0.11',
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

# Background jobs: one process for each core, every one takes every job
sidekiq['listen_address'] = '0.0.0.0'
sidekiq['queue_groups'] = ['*'] * 4

# Figures of the machine, for Prometheus
node_exporter['listen_address'] = '0.0.0.0:9100'

# From the environment file, for all
logging['svlogd_num'] = 5
