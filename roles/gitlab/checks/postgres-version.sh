set -u
have=$(gitlab-psql -d template1 -Atqc "select split_part(current_setting('server_version'), '.', 1)")
need={{ 17 if all_settings['linux-package'].version | at_least('19') else 16 }}
echo "$have, at least $need"
[ "${have%%.*}" -ge "$need" ]
