import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.Random;
import java.util.UUID;
import org.apache.kafka.clients.producer.internals.BuiltInPartitioner;

/**
 * Prints 10,000 keys, each with where Kafka's own Java client puts it: a line is a JSON
 * array of the key and its partition of 7, 12 and 1,000. With kafka-clients on the class path:
 *
 * <pre>java -cp 'LIBS/*' Partitions.java | gzip -9n > partitions.jsonl.gz</pre>
 */
public final class Partitions {
  private static final int[] COUNTS = {7, 12, 1000};
  private static final Random RANDOM = new Random(20_260_131);

  public static void main(String[] args) {
    PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
    for (int i = 0; i < 10_000; i++) {
      String key = key(i);
      StringBuilder line = new StringBuilder("[").append(quoted(key));
      for (int count : COUNTS) {
        line.append(',').append(BuiltInPartitioner.partitionForKey(key.getBytes(StandardCharsets.UTF_8), count));
      }
      line.append(']');
      out.println(line);
    }
    out.flush();
  }

  /** A key of each form that the topics have, and some that they never should. */
  private static String key(int i) {
    switch (i % 12) {
      case 0, 1, 2:
        return "19:meeting_" + Base64.getEncoder().encodeToString(guid().getBytes(StandardCharsets.US_ASCII)) + "@thread.v2";
      case 3:
        return "19:" + hex() + "@thread.v2";
      case 4:
        return "19:" + hex() + "@thread.tacv2";
      case 5:
        return "19:" + hex() + "@thread.tacv2/" + (1_700_000_000_000L + RANDOM.nextInt());
      case 6:
        return "19:" + guid() + "_" + guid() + "@unq.gbl.spaces";
      case 7:
        return "meet:" + (1_000_000_000_000L + (RANDOM.nextLong() >>> 24));
      case 8:
        return guid() + "@" + guid();
      case 9:
        return guid();
      case 10:
        return "communications/onlineMeetings('" + guid() + "')/meetingCallEvents";
      default:
        return text(i == 11 ? 0 : i % 1_200 == 11 ? 20_000 : 1 + RANDOM.nextInt(40));
    }
  }

  private static String quoted(String text) {
    StringBuilder b = new StringBuilder("\"");
    for (char c : text.toCharArray()) {
      if (c < ' ' || c > '~' || c == '"' || c == '\\') {
        b.append(String.format("\\u%04x", (int) c));
      } else {
        b.append(c);
      }
    }
    return b.append('"').toString();
  }

  private static String guid() {
    return new UUID(RANDOM.nextLong(), RANDOM.nextLong()).toString();
  }

  private static String hex() {
    return guid().replace("-", "");
  }

  /** Random characters of all planes, and for a great length one again and again. */
  private static String text(int length) {
    StringBuilder b = new StringBuilder();
    int c = 0;
    for (int i = 0; i < length; i++) {
      if (i < 40) {
        do {
          c = RANDOM.nextInt(RANDOM.nextBoolean() ? 0x250 : 0x110000);
        } while (c >= 0xD800 && c < 0xE000);
      }
      b.appendCodePoint(c);
    }
    return b.toString();
  }
}
