import java.net.InetAddress;

/** Says where it runs, and resolves a name. Compiled with `javac --release 17`. */
public class Hello {
    public static void main(String[] arguments) throws Exception {
        System.out.println("Java " + Runtime.version().feature() + " on " + System.getProperty("os.arch"));
        System.out.println("localhost is " + InetAddress.getByName("localhost").getHostAddress());
    }
}
