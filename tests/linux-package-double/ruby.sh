#!/bin/sh
# Runs the double under the name by which it was called, with the Ruby inside the package.
here=/opt/gitlab/embedded
ruby=$here/ruby/usr
triplet=$(ls "$ruby/lib" | grep linux-gnu)
export LD_LIBRARY_PATH="$ruby/lib/$triplet"
export RUBYLIB="$ruby/lib/ruby/3.1.0:$ruby/lib/$triplet/ruby/3.1.0"
exec "$ruby/bin/ruby3.1" --disable-gems "$here/double.rb" "$(basename "$0")" "$@"
