# task: compile and run the Java program
# needs: java javac

mkdir -p src out
cat > src/Hello.java <<'EOF'
public class Hello {
  public static void main(String[] a) throws Exception {
    System.out.println("hello " + System.getProperty("java.version"));
    Process p = new ProcessBuilder("ls", "src").inheritIO().start();
    System.exit(p.waitFor());
  }
}
EOF
javac -d out src/Hello.java
java -cp out Hello
java -Xmx128m -cp out Hello
jar --create --file hello.jar --main-class Hello -C out .
jar tf hello.jar
java -jar hello.jar
java src/Hello.java
javap -cp out Hello
java -version
rm -rf out hello.jar
