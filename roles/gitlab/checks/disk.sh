set -u
# A package of today is about 1.5 GB to fetch and 4 GB to lay out beside the old one.
free=$(df -Pk /opt | awk 'NR == 2 { print int($4 / 1024) }')
echo "$free MB free"
[ "$free" -ge 6144 ]
