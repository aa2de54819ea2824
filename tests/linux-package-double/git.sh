#!/bin/sh
# git inside the package, as the real one has it.
ruby=/opt/gitlab/embedded/ruby/usr
LD_LIBRARY_PATH=$ruby/lib/$(ls "$ruby/lib" | grep linux-gnu)
GIT_EXEC_PATH=$ruby/lib/git-core
GIT_TEMPLATE_DIR=
export LD_LIBRARY_PATH GIT_EXEC_PATH GIT_TEMPLATE_DIR
exec "$ruby/bin/git" "$@"
