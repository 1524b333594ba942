fn main() {
    tracing_subscriber::fmt().init();
    let t = std::time::Instant::now();
    let s =
        weir::store::Store::open(std::path::Path::new(&std::env::args().nth(1).unwrap()), Default::default()).unwrap();
    println!("open {:?} rows {}", t.elapsed(), s.len());
    let t = std::time::Instant::now();
    s.close();
    println!("close {:?}", t.elapsed());
    let t = std::time::Instant::now();
    drop(s);
    println!("drop {:?}", t.elapsed());
}
