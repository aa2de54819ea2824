"""AWS as far as the tests of refarch need it: moto, and before it what moto leaves out. See README.md."""
