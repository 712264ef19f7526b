#!/usr/bin/env node
import "../dist/plugins/main.js";
