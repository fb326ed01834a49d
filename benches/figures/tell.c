/* Reports that it is ready on USR1, in one of two ways, for the figure `ready`. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void notify(void) {
    const char *name = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = strlen(name);
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    /* An abstract name begins with a zero byte; the variable has an @ in its place. */
    memcpy(address.sun_path + 1, name + 1, length - 1);
    sendto(fd, "READY=1", 7, 0, (struct sockaddr *)&address,
           sizeof(sa_family_t) + length);
}

int main(int count, char **words) {
    sigset_t awaited;
    int signal = 0;
    sigemptyset(&awaited);
    sigaddset(&awaited, SIGUSR1);
    sigaddset(&awaited, SIGTERM);
    sigprocmask(SIG_BLOCK, &awaited, 0);
    if (count < 2 || write(1, "", 1) != 1)
        return 1;
    while (sigwait(&awaited, &signal) == 0 && signal == SIGUSR1) {
        if (strcmp(words[1], "notify") == 0)
            notify();
        else if (write(3, "\n", 1) != 1)
            return 1;
    }
    return 0;
}
