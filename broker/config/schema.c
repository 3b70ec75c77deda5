/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The options, once, for libconfuse and for the outline.
 */
#include "schema.h"

#include <stddef.h>

#define TITLED (CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES)

static cfg_opt_t limits[] = {
	CFG_STR("connections", NULL, CFGF_NONE),
	CFG_STR("names", NULL, CFGF_NONE),
	CFG_STR("held", NULL, CFGF_NONE),
	CFG_STR("flight", NULL, CFGF_NONE),
	CFG_STR("waits", NULL, CFGF_NONE),
	CFG_STR("references", NULL, CFGF_NONE),
	CFG_END()
};

static cfg_opt_t service[] = {
	CFG_STR("place", NULL, CFGF_NONE),
	CFG_END()
};

static cfg_opt_t uid[] = {
	CFG_SEC("limits", limits, CFGF_NODEFAULT),
	CFG_END()
};

static cfg_opt_t grant[] = {
	CFG_STR("service", NULL, CFGF_NONE),
	CFG_STR("file", NULL, CFGF_NONE),
	CFG_STR_LIST("rights", NULL, CFGF_NODEFAULT),
	CFG_STR("lifetime", NULL, CFGF_NONE),
	CFG_STR("uses", NULL, CFGF_NONE),
	CFG_STR("sessions", NULL, CFGF_NONE),
	CFG_STR("leash", NULL, CFGF_NONE),
	CFG_STR("label", NULL, CFGF_NONE),
	CFG_END()
};

static cfg_opt_t door[] = {
	CFG_STR("directory", NULL, CFGF_NONE),
	CFG_STR("export", NULL, CFGF_NONE),
	CFG_STR("open", NULL, CFGF_NONE),
	CFG_SEC("limits", limits, CFGF_NODEFAULT),
	CFG_SEC("grant", grant, TITLED),
	CFG_END()
};

static cfg_opt_t top[] = {
	CFG_STR("user", NULL, CFGF_NONE),
	CFG_STR("audit", NULL, CFGF_NONE),
	CFG_SEC("limits", limits, CFGF_NODEFAULT),
	CFG_SEC("uid", uid, TITLED),
	CFG_SEC("service", service, TITLED),
	CFG_SEC("door", door, TITLED),
	CFG_END()
};

static void prepare(cfg_opt_t *options, cfg_validate_callback_t on_value)
{
	for (cfg_opt_t *o = options; o->name; o++)
		if (o->type == CFGT_SEC)
			prepare(o->subopts, on_value);
		else if (!(o->flags & CFGF_LIST))
			o->validcb = on_value;
}

cfg_opt_t *schema_options(cfg_validate_callback_t on_value)
{
	prepare(top, on_value);
	return top;
}
