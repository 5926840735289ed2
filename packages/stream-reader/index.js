'use strict'

// Only vhd-lib's stream validator asks for this package, and this project never runs it.
module.exports = class StreamReader {}
