/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The options of a configuration file, as introd.conf(5) describes them.
 */
#pragma once

#include <confuse.h>

/* The top level. Every plain value is a string to libconfuse and calls on_value when it is
 * read: forms are checked there, where the place of the value is known. Values of lists are
 * checked afterwards. */
cfg_opt_t *schema_options(cfg_validate_callback_t on_value);
