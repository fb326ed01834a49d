/* Answers every USR1 with a byte on standard output and exits on TERM, for the figure `signals`. */
#include <signal.h>
#include <unistd.h>

int main(void) {
    sigset_t awaited;
    int signal = SIGUSR1;
    sigemptyset(&awaited);
    sigaddset(&awaited, SIGUSR1);
    sigaddset(&awaited, SIGTERM);
    sigprocmask(SIG_BLOCK, &awaited, 0);
    /* The first byte reports that it is ready. */
    while (signal == SIGUSR1 && write(1, "", 1) == 1)
        if (sigwait(&awaited, &signal) != 0)
            return 1;
    return 0;
}
