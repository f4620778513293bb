#!/bin/sh
# Stands for Python in the tests of setup: does what the file `behaviour` beside the link to it says. (A script
# written by a test could be busy when it is started, as long as another test's child holds it open.)
folder=$(dirname "$0")
. "$folder/behaviour"
