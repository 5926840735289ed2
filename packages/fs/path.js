'use strict'

// The one sub-path of @xen-orchestra/fs that vhd-lib loads; the rest of it would bring in cloud storage clients.
const { posix } = require('node:path')

exports.relativeFromFile = (file, target) => posix.relative(posix.dirname(file), target)
