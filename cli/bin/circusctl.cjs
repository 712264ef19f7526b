#!/usr/bin/env node
"use strict";
require("../dist/circusctl.cjs").start();
