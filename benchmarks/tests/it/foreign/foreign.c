/* A plugin for a nemesis or a libtorch that is not this one, or for a function that no libtorch has, or one that
 * crashes as soon as it is loaded. Its entry is never reached. */

#ifndef ABI
#define ABI "1.0"
#endif
#ifndef LIBTORCH
#error "pass -DLIBTORCH: the version of libtorch that the plugin claims to be made for"
#endif

__attribute__((used, section(".nemesis_plugin"))) static const char metadata[] =
    "abi=" ABI "\nlibtorch=" LIBTORCH "\ncxx11_abi=1\nsdk=C\nid=" ID "\nversion=0.1.0\nsource=0\n";

#ifdef MISSING
/* at::clip_of_tomorrow() */
extern int _ZN2at16clip_of_tomorrowEv(void);
int needed(void) { return _ZN2at16clip_of_tomorrowEv(); }
#endif

#ifdef CRASH
__attribute__((constructor)) static void crash(void) { *(volatile int *)8 = 1; }
#endif

const void *nemesis_plugin_entry_v1(void) { return 0; }
