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
if [ "$1" = configure ] && [ -n "${2:-}" ]; then
    if [ -e /etc/gitlab/skip-auto-reconfigure ]; then
        # New code serves once it is restarted.
        systemctl try-restart gitlab-runsvdir
    else
        gitlab-ctl reconfigure
    fi
fi
