#!/bin/sh
# Asked by git before a push changes anything (pre-receive, whose words the user sees), and again for every reference, while
# git holds its lock (reference-transaction, which decides). In a repository that is moved to another storage none changes
# any more: it would stay behind.
case ${1-} in committed | aborted) exit 0 ;; esac
[ -e "${GIT_DIR:-.}/refarch-frozen" ] || exit 0
echo "this repository is moved to another storage just now, nothing was changed: push again" >&2
exit 1
