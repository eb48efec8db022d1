/* SPDX-License-Identifier: ISC */
#include "tools/sim/inner.h"

#include <stdlib.h>
#include <string.h>

#include "src/base/must.h"

/* ---- the attacker: hears everything, says anything from any address, and has no key -----------
 */

void attack_capture(struct sim *sim, int from, const char *bytes, size_t len)
{
    struct sim_captured *captured = &sim->captured[rng_below(&sim->rng, SIM_CAPTURED_MAX)];

    if (sim->captured_count < SIM_CAPTURED_MAX)
        captured = &sim->captured[sim->captured_count++];
    free(captured->bytes);
    captured->bytes = malloc(len);
    MUST(captured->bytes != NULL);
    memcpy(captured->bytes, bytes, len);
    captured->len = len;
    captured->from = from;
}

/* Changes one byte, takes one out, or puts one in, anywhere. */
static size_t edit(struct sim *sim, char *bytes, size_t len)
{
    size_t at = rng_below(&sim->rng, len);

    switch (rng_below(&sim->rng, 3)) {
    case 0:
        bytes[at] = (char)(bytes[at] ^ (1 << rng_below(&sim->rng, 8)));
        return len;
    case 1:
        memmove(bytes + at, bytes + at + 1, len - at - 1);
        return len - 1;
    default:
        memmove(bytes + at + 1, bytes + at, len - at);
        bytes[at] = (char)('0' + rng_below(&sim->rng, 10));
        return len + 1;
    }
}

/* A well-formed lie: a version that nobody made. */
static void forge(struct sim *sim, struct text *out)
{
    struct notice notice = {.kind = NOTICE_IHAVE, .held = true, .port = SIM_HTTP_PORT};

    sim_name((int)rng_below(&sim->rng, (uint64_t)sim->names), notice.name);
    notice.version.bits = (uint64_t)sim_node_wall(sim, &sim->nodes[0]).ms << 16;
    speaker_say(sim->attacker, &notice, (wall_t){0}, out);
}

void attack_now(struct sim *sim)
{
    const struct sim_captured *captured;
    char bytes[MESSAGE_MAX + 1];
    struct text text = text_over(bytes, MESSAGE_MAX);
    int to = (int)rng_below(&sim->rng, (uint64_t)sim->node_count);
    size_t len;

    if (!sim->captured_count)
        return;
    captured = &sim->captured[rng_below(&sim->rng, sim->captured_count)];
    memcpy(bytes, captured->bytes, captured->len);
    len = captured->len;
    switch (rng_below(&sim->rng, 4)) {
    case 0: /* replayed as it was */
        break;
    case 1:
        forge(sim, &text);
        len = text.len;
        break;
    case 2: /* rubbish */
        len = rng_below(&sim->rng, 200);
        for (size_t i = 0; i < len; i++)
            bytes[i] = (char)rng_next(&sim->rng);
        break;
    default:
        len = edit(sim, bytes, len);
    }
    sim_deliver(sim, captured->from, to, bytes, len, true);
}
