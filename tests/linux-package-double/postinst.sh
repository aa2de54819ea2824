#!/bin/sh
set -eu
cat >/etc/systemd/system/gitlab-runsvdir.service <<'END'
[Unit]
Description=Test double of the product's services
After=network.target
StartLimitIntervalSec=0

[Service]
ExecStart=/opt/gitlab/embedded/bin/daemon
Restart=always
RestartSec=1

[Install]
WantedBy=multi-user.target
END
mkdir -p /var/log/gitlab-double /var/opt/gitlab /etc/gitlab-double
systemctl daemon-reload
if [ "$1" = configure ] && [ -n "${2:-}" ] && [ ! -e /etc/gitlab/skip-auto-reconfigure ]; then
    gitlab-ctl reconfigure
fi
