// uWebSockets, as fast as its API lets it be: a message is lent, and sent back within the cork of its read.
#include "App.h"

#include <cstdlib>
#include <cstring>

struct Nothing {};

int main(int count, char **arguments) {
    int port = 0;
    bool compress = false;
    for (int i = 1; i < count; i++) {
        if (!std::strcmp(arguments[i], "--deflate")) {
            compress = true;
        } else if (!std::strcmp(arguments[i], "--port") && i + 1 < count) {
            port = std::atoi(arguments[++i]);
        }
    }
    auto each = uWS::CompressOptions(uWS::DEDICATED_COMPRESSOR | uWS::DEDICATED_DECOMPRESSOR);
    uWS::App()
        .ws<Nothing>("/*", {
            .compression = compress ? each : uWS::DISABLED,
            .maxPayloadLength = 64 << 20,
            .idleTimeout = 0,
            .maxBackpressure = 64 << 20,
            .sendPingsAutomatically = false,
            .message = [compress](auto *socket, std::string_view message, uWS::OpCode opcode) {
                socket->send(message, opcode, compress);
            },
        })
        .listen("127.0.0.1", port, [](auto *listening) {
            if (!listening) {
                std::exit(1);
            }
        })
        .run();
}
